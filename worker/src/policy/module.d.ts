/** The policy table is a module of the Worker's version, written by the program that deploys it; it is read as unknown. */
declare module "*/policy.json" {
  const document: unknown;
  export default document;
}
