"use strict";
const MOST_DECODED = 400;

// Decodes tiles, and drops those that have not been shown for the longest time.
class Tiles {
  constructor(onDecoded) {
    this.onDecoded = onDecoded;
    this.clear();
  }

  clear() {
    for (const bitmap of this.decoded?.values() ?? []) bitmap.close();
    this.decoded = new Map();
    this.pending = new Map();
  }

  // Returns a bitmap, or nothing while it is being decoded.
  get(key, file) {
    const bitmap = this.decoded.get(key);
    if (bitmap) {
      this.decoded.delete(key);
      this.decoded.set(key, bitmap);
    } else if (file && !this.pending.has(key)) {
      this.decode(key, file);
    }
    return bitmap;
  }

  async decode(key, file) {
    const pending = this.pending;
    pending.set(key, true);
    const text = atob(file), bytes = new Uint8Array(text.length);
    for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index);
    const bitmap = await createImageBitmap(new Blob([bytes]));
    pending.delete(key);
    if (pending !== this.pending) return bitmap.close();  // its picture is no longer shown
    this.decoded.set(key, bitmap);
    for (const [oldest, old] of this.decoded) {
      if (this.decoded.size <= MOST_DECODED) break;
      old.close();
      this.decoded.delete(oldest);
    }
    this.onDecoded();
  }
}
