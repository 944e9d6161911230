declare module "workerd" {
  /** The path of the runtime's executable. */
  const path: string;
  export default path;
}
