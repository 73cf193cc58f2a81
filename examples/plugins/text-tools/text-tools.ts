// Tools for text in any script, in AssemblyScript. Each takes `{"text": "…"}`.

import { encode, fail, input, succeed } from "./extism";
import { StringMember } from "./json";

/** The text backwards, code point by code point: no emoji of two UTF-16 units falls apart into halves. */
export function reverse(): i32 {
  const member = new StringMember(input(), "text");
  const text = member.value;
  if (text === null) return fail(member.problem);
  const units = new Uint16Array(text.length);
  let end = text.length;
  for (let i = 0; i < text.length; i++) {
    if (startsPair(text, i)) {
      units[--end] = u16(text.charCodeAt(i + 1));
      units[--end] = u16(text.charCodeAt(i++));
    } else {
      units[--end] = u16(text.charCodeAt(i));
    }
  }
  return succeed(String.UTF16.decode(units.buffer));
}

/** The text in capital letters. */
export function upper(): i32 {
  const member = new StringMember(input(), "text");
  const text = member.value;
  if (text === null) return fail(member.problem);
  return succeed(text.toUpperCase());
}

/** How long the text is: JSON with `characters` (code points), `words` (between white space) and `bytes` (in UTF-8). */
export function count(): i32 {
  const member = new StringMember(input(), "text");
  const text = member.value;
  if (text === null) return fail(member.problem);
  const characters = countCodePoints(text);
  const words = countWords(text);
  const bytes = encode(text).length;
  return succeed(
    '{"characters":' + characters.toString() + ',"words":' + words.toString() + ',"bytes":' + bytes.toString() + "}",
  );
}

/** Whether a code point of two UTF-16 units begins here. */
function startsPair(text: string, i: i32): bool {
  return text.codePointAt(i) > 0xffff;
}

function countCodePoints(text: string): i32 {
  let points = 0;
  for (let i = 0; i < text.length; i++) {
    if (startsPair(text, i)) i++;
    points++;
  }
  return points;
}

function countWords(text: string): i32 {
  let words = 0;
  let inWord = false;
  for (let i = 0; i < text.length; i++) {
    const space = isSpace(text.charCodeAt(i));
    if (!space && !inWord) words++;
    inWord = !space;
  }
  return words;
}

/** Unicode's white space. All of it lies in the first plane, so that a UTF-16 unit is enough to know it. */
function isSpace(unit: i32): bool {
  return (unit >= 0x09 && unit <= 0x0d) || unit == 0x20 || unit == 0x85 || unit == 0xa0 || unit == 0x1680
    || (unit >= 0x2000 && unit <= 0x200a) || unit == 0x2028 || unit == 0x2029 || unit == 0x202f || unit == 0x205f
    || unit == 0x3000;
}
