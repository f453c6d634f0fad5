/** What bencoding can say. */
export type Value = number | string | Uint8Array | Value[] | { [key: string]: Value };
