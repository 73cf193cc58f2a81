// A reader for the arguments of a call: it checks the whole JSON text and keeps one string of it.

/** More nesting than this is refused, since each level takes a part of the stack. */
const MAX_DEPTH = 64;

const QUOTE: i32 = 0x22;
const BACKSLASH: i32 = 0x5c;

/** Finds the string member `key` of the JSON object `source`; when there is none, `problem` says why. */
export class StringMember {
  value: string | null = null;
  problem: string = "";

  constructor(source: string, key: string) {
    const reader = new Reader(source, key);
    if (!reader.document()) {
      this.problem = "the input is not a JSON object: wrong at character " + reader.position.toString();
    } else if (!reader.found) {
      this.problem = "the argument `" + key + "` is missing";
    } else if (reader.member === null) {
      this.problem = "the argument `" + key + "` is not a string";
    } else {
      this.value = reader.member;
    }
  }
}

/** Each method reads one thing and answers whether it was there; after a failure `position` stays at the culprit. */
class Reader {
  position: i32 = 0;
  found: bool = false;
  member: string | null = null;
  /** The text of the string that was read last. */
  private text: string = "";

  constructor(private source: string, private key: string) {}

  document(): bool {
    this.skipSpace();
    if (this.peek() != 0x7b || !this.object(0)) return false;
    this.skipSpace();
    return this.position == this.source.length;
  }

  private value(depth: i32): bool {
    if (depth > MAX_DEPTH) return false;
    switch (this.peek()) {
      case 0x7b: return this.object(depth);
      case 0x5b: return this.array(depth);
      case QUOTE: return this.string();
      case 0x74: return this.word("true");
      case 0x66: return this.word("false");
      case 0x6e: return this.word("null");
      default: return this.number();
    }
  }

  private object(depth: i32): bool {
    this.position++;
    this.skipSpace();
    if (this.take(0x7d)) return true;
    do {
      this.skipSpace();
      if (this.peek() != QUOTE || !this.string()) return false;
      const wanted = depth == 0 && this.text == this.key;
      this.skipSpace();
      if (!this.take(0x3a)) return false;
      this.skipSpace();
      const isString = this.peek() == QUOTE;
      if (!this.value(depth + 1)) return false;
      if (wanted) {
        this.found = true;
        this.member = isString ? this.text : null;
      }
      this.skipSpace();
    } while (this.take(0x2c));
    return this.take(0x7d);
  }

  private array(depth: i32): bool {
    this.position++;
    this.skipSpace();
    if (this.take(0x5d)) return true;
    do {
      this.skipSpace();
      if (!this.value(depth + 1)) return false;
      this.skipSpace();
    } while (this.take(0x2c));
    return this.take(0x5d);
  }

  private string(): bool {
    this.position++;
    const units: u16[] = [];
    while (true) {
      let unit = this.peek();
      if (unit < 0x20) return false; // A control character, or the end.
      this.position++;
      if (unit == QUOTE) break;
      if (unit == BACKSLASH) {
        unit = this.escape();
        if (unit < 0) return false;
      }
      units.push(u16(unit));
    }
    this.text = String.UTF16.decodeUnsafe(units.dataStart, units.length << 1);
    return true;
  }

  /** The UTF-16 unit behind a backslash, or -1. Two `\u` escapes side by side make a surrogate pair by themselves. */
  private escape(): i32 {
    const letter = this.peek();
    this.position++;
    switch (letter) {
      case QUOTE:
      case BACKSLASH:
      case 0x2f: return letter;
      case 0x62: return 0x08;
      case 0x66: return 0x0c;
      case 0x6e: return 0x0a;
      case 0x72: return 0x0d;
      case 0x74: return 0x09;
      case 0x75: return this.fourHexDigits();
      default: return -1;
    }
  }

  private fourHexDigits(): i32 {
    let unit = 0;
    for (let i = 0; i < 4; i++, this.position++) {
      const letter = this.peek() | 0x20; // Lower case.
      if (isDigit(this.peek())) unit = unit << 4 | (this.peek() - 0x30);
      else if (letter >= 0x61 && letter <= 0x66) unit = unit << 4 | (letter - 0x57);
      else return -1;
    }
    return unit;
  }

  private number(): bool {
    this.take(0x2d);
    if (!this.take(0x30) && !this.digits()) return false;
    if (this.take(0x2e) && !this.digits()) return false;
    if (this.take(0x65) || this.take(0x45)) {
      if (!this.take(0x2b)) this.take(0x2d);
      return this.digits();
    }
    return true;
  }

  private digits(): bool {
    const start = this.position;
    while (isDigit(this.peek())) this.position++;
    return this.position > start;
  }

  private word(word: string): bool {
    if (!this.source.startsWith(word, this.position)) return false;
    this.position += word.length;
    return true;
  }

  private skipSpace(): void {
    while (this.peek() == 0x20 || this.peek() == 0x0a || this.peek() == 0x0d || this.peek() == 0x09) this.position++;
  }

  private take(unit: i32): bool {
    if (this.peek() != unit) return false;
    this.position++;
    return true;
  }

  /** The unit at the position, or -1 at the end. */
  private peek(): i32 {
    return this.position < this.source.length ? this.source.charCodeAt(this.position) : -1;
  }
}

function isDigit(unit: i32): bool {
  return unit >= 0x30 && unit <= 0x39;
}
