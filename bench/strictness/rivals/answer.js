/** 200 where the token is accepted, 401 where it is not, as the usual code around a library does. */
export async function answer(request, verify) {
  const [, token = ""] = /^bearer +(.*)$/i.exec(request.headers.get("authorization") ?? "") ?? [];
  try {
    await verify(token);
    return new Response("accepted");
  } catch {
    return new Response("refused", { status: 401 });
  }
}
