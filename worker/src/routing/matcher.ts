import { MAX_MATCHER_NODES } from "../constants";
import { type OperationPolicy } from "../policy/table";
import { DecodeError } from "../support/decode";

/** What a method and a path come to. */
export type Match =
  | { readonly kind: "operation"; readonly operation: OperationPolicy }
  | { readonly kind: "method-not-allowed"; readonly allow: readonly string[] }
  | { readonly kind: "not-found" };

/** Finds the one operation of a method and a path. */
export type Matcher = (method: string, path: string) => Match;

interface Node {
  readonly literals: Map<string, Node>;
  /** Where any segment leads that is none of the literals; null where none may follow. */
  other: Node | null;
  /** What ends here, by method. */
  readonly operations: Map<string, OperationPolicy>;
}

/** An operation and those segments of its template that are still to be matched. */
interface Rest {
  readonly operation: OperationPolicy;
  readonly segments: readonly string[];
}

const NOT_FOUND: Match = { kind: "not-found" };

/**
 * Compiles the operations into a tree in which each segment of a path is one look-up: what a `{parameter}` allows is
 * copied below every literal beside it, so nothing is ever tried and taken back. Of two operations that match, the
 * earlier is meant. Throws {@link DecodeError} where the tree would get too big.
 */
export function compileMatcher(operations: readonly OperationPolicy[]): Matcher {
  const root = compile(
    operations.map((operation) => ({ operation, segments: segmentsOf(operation.path) })),
    { nodes: 0 },
  );
  return (method, path) => {
    const node = walk(root, path);
    const operation = node?.operations.get(method);
    if (operation !== undefined) return { kind: "operation", operation };
    if (node === null || node.operations.size === 0) return NOT_FOUND;
    return { kind: "method-not-allowed", allow: [...node.operations.keys()].sort() };
  };
}

function compile(rests: readonly Rest[], budget: { nodes: number }): Node {
  if (++budget.nodes > MAX_MATCHER_NODES) throw new DecodeError("$.operations: the paths overlap in too many ways");
  const node: Node = { literals: new Map(), other: null, operations: new Map() };
  for (const { operation, segments } of rests) {
    if (segments.length === 0 && !node.operations.has(operation.method)) node.operations.set(operation.method, operation);
  }
  const going = rests.filter(({ segments }) => segments.length > 0);
  const parameters = going.filter(({ segments }) => isParameter(segments[0]));
  if (parameters.length > 0) node.other = compile(parameters.map(next), budget);
  for (const literal of new Set(going.map(({ segments }) => segments[0] ?? ""))) {
    if (isParameter(literal)) continue;
    const alike = going.filter(({ segments }) => segments[0] === literal || isParameter(segments[0]));
    node.literals.set(literal, compile(alike.map(next), budget));
  }
  return node;
}

function walk(root: Node, path: string): Node | null {
  let node: Node | null = root;
  for (const segment of segmentsOf(path)) {
    // A parameter is never empty, so `/orders/` is not `/orders/{order}`.
    node = node.literals.get(segment) ?? (segment === "" ? null : node.other);
    if (node === null) return null;
  }
  return node;
}

function segmentsOf(path: string): readonly string[] {
  return path === "/" ? [] : path.slice(1).split("/");
}

function isParameter(segment: string | undefined): boolean {
  return segment?.startsWith("{") === true;
}

function next({ operation, segments }: Rest): Rest {
  return { operation, segments: segments.slice(1) };
}
