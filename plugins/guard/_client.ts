/** Who asks, in the slot `client`: for logs, statistics and limits. */
export interface Client {
  readonly name: string;
  /** What other guards hold it to, by their own names. */
  readonly limits?: Readonly<Record<string, number>>;
}
