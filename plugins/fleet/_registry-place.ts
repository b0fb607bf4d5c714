import { resolve } from "node:path";
import type { Storage } from "unstorage";

/** `"memory"`, `"file:./directory"`, `"redis://host:6379/0"`, or a storage that was made elsewhere. */
export type StorageOption = string | Storage;

/** Why a storage is none, or undefined. */
export function whyNoStorage(storage: unknown): string | undefined {
  const is = typeof storage === "string" ? isKnown(storage) : isStorage(storage);
  return is ? undefined : 'Expected "memory", "file:./directory", "redis://host:6379" or a storage of unstorage';
}

/** Equal for what is the same place, however it is written. */
export function toPlace(storage: StorageOption): string {
  if (typeof storage !== "string") return "storage";
  return storage.startsWith("file:") ? `file:${resolve(toDirectory(storage))}` : storage;
}

function isKnown(text: string): boolean {
  return text === "memory" || isRedis(text) || (text.startsWith("file:") && toDirectory(text) !== "");
}

export function isRedis(text: string): boolean {
  return /^rediss?:\/\/./.test(text) && URL.canParse(text);
}

/** `file:./there`, `file:/there` and `file:///there`. */
export function toDirectory(text: string): string {
  return text.slice("file:".length).replace(/^\/\/(?=\/)/, "");
}

function isStorage(value: unknown): boolean {
  return typeof value === "object" && value !== null && "getItemRaw" in value && "getMount" in value;
}
