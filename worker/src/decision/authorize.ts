import { type Caller } from "../claims/caller";
import { type ConsumerPolicy, type OperationPolicy } from "../policy/table";
import { consumerNotEntitled, insufficientRole, type Refusal } from "../problems/refusal";
import { err, ok, type Result } from "../support/result";

/**
 * Whether a caller may do an operation: its application must be known, be the issuer's of the token, and have the
 * operation's product; then the caller must have one of the operation's roles.
 */
export function authorize(
  caller: Caller,
  operation: OperationPolicy,
  consumers: ReadonlyMap<string, ConsumerPolicy>,
): Result<ConsumerPolicy, Refusal> {
  const consumer = consumers.get(caller.clientId);
  if (consumer?.issuer !== caller.issuer || !consumer.products.includes(operation.product)) {
    return err(consumerNotEntitled());
  }
  return operation.roles.some((role) => caller.roles.includes(role)) ? ok(consumer) : err(insufficientRole(operation.roles));
}
