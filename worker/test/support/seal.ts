import { sealedStore } from "../../src/support/sealed";

/** What the gateway of the tests would write to KV under that key. */
export async function sealed(key: string, value: object): Promise<string> {
  let written = "";
  const store = {
    read: () => Promise.resolve(null),
    write: (_key: string, sealedValue: unknown) => {
      written = JSON.stringify(sealedValue);
      return Promise.resolve();
    },
  };
  await sealedStore(store, "a-salt-for-tests").write(key, value as Readonly<Record<string, unknown>>, 60);
  return written;
}

/** The object in what the gateway wrote. */
export function unsealed(written: string): object {
  return (JSON.parse(written) as { readonly value: object }).value;
}
