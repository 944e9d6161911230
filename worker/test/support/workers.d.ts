/** What the code under test needs of the Workers types, whose globals do not go together with those of Node. */
interface KVNamespace {
  get(key: string, options: { type: "text"; cacheTtl?: number }): Promise<string | null>;
  put(key: string, value: string, options: { expirationTtl: number }): Promise<void>;
}
