/** "1 change", "3 changes"; `plural` where adding an "s" does not do. */
export function count(number: number, noun: string, plural = `${noun}s`): string {
  return `${number} ${number === 1 ? noun : plural}`;
}

/** The last part of a path: what a person calls the file. */
export function fileName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The folder of a path, "" for the root. */
export function folder(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
