/**
 * What can go wrong between a service and its database, as a stable code:
 * - `database-url-unsupported`: the URL is neither `sqlite:///abs/path` nor `postgres://…`.
 * - `database-schema-invalid`: the schema's name is not a plain lower-case identifier.
 * - `database-used-inside-transaction`: the data source was used where only the transaction's manager may be.
 * - `database-busy`: too many wait for their turn, or one waited too long.
 * - `value-unsafe`: a value cannot be stored or read without loss.
 */
export type DatabaseErrorCode =
  | 'database-url-unsupported'
  | 'database-schema-invalid'
  | 'database-used-inside-transaction'
  | 'database-busy'
  | 'value-unsafe';

/** A refusal by this library itself; what the database refuses stays TypeORM's `QueryFailedError`. */
export class DatabaseError extends Error {
  readonly code: DatabaseErrorCode;
  constructor(code: DatabaseErrorCode, message: string, options?: ErrorOptions) {
    super(`${code}: ${message}`, options);
    this.name = 'DatabaseError';
    this.code = code;
  }
}
