const quote = 0x22;
const backslash = 0x5c;
const colon = 0x3a;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const space = 0x20;

/** The string value of the top-level member `model` of a JSON object, found without parsing the rest. */
export function findModel(body) {
  let depth = 0;
  for (let at = 0; at < body.length; at++) {
    const byte = body[at];
    if (byte === quote) {
      const end = endOfString(body, at);
      if (end < 0) return undefined;
      if (depth === 1 && end - at === 6 && isModelKey(body, at)) {
        const value = valueAfter(body, end + 1);
        if (value >= 0) return body.latin1Slice(value + 1, endOfString(body, value));
      }
      at = end;
    } else if (byte === openBrace || byte === openBracket) depth++;
    else if (byte === closeBrace || byte === closeBracket) depth--;
  }
  return undefined;
}

function endOfString(body, start) {
  let end = body.indexOf(quote, start + 1);
  while (end > 0 && isEscaped(body, end)) end = body.indexOf(quote, end + 1);
  return end;
}

function isEscaped(body, at) {
  let before = at - 1;
  while (body[before] === backslash) before--;
  return (at - before) % 2 === 0;
}

function isModelKey(body, at) {
  return (
    body[at + 1] === 0x6d &&
    body[at + 2] === 0x6f &&
    body[at + 3] === 0x64 &&
    body[at + 4] === 0x65 &&
    body[at + 5] === 0x6c
  );
}

/** Where the string begins that follows a key and its colon, or -1. */
function valueAfter(body, at) {
  let index = skipSpace(body, at);
  if (body[index] !== colon) return -1;
  index = skipSpace(body, index + 1);
  return body[index] === quote ? index : -1;
}

function skipSpace(body, at) {
  let index = at;
  while (body[index] <= space) index++;
  return index;
}
