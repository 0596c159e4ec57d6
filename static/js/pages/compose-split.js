// Cuts a pasted list as the server does: at commas, semicolons and line ends outside quotes and brackets.

const SEPARATORS = ",;\r\n";

export function split(text) {
  const pieces = [];
  let piece = "";
  let inQuotes = false;
  let inBrackets = false;
  let isEscaped = false;
  for (const character of text) {
    const isLineEnd = character === "\r" || character === "\n";
    if (isLineEnd) {
      inQuotes = inBrackets = isEscaped = false;
    }
    const isProtected = inQuotes || inBrackets;
    if (isEscaped) {
      isEscaped = false;
    } else if (character === "\\" && inQuotes) {
      isEscaped = true;
    } else if (character === '"') {
      inQuotes = !inQuotes;
    } else if (!inQuotes && "<>".includes(character)) {
      inBrackets = character === "<";
    }
    if (SEPARATORS.includes(character) && !isProtected) {
      pieces.push(piece);
      piece = "";
    } else {
      piece += character;
    }
  }
  return [...pieces, piece].map((one) => one.trim()).filter(Boolean);
}

/** Whether a separator typed now would end the entry. */
export function endsEntry(text) {
  return split(`${text},x`).length > split(text).length;
}

/** What stands in a chip until the server has read it. */
export function nameOf(entry) {
  const found = /^\s*"?(.*?)"?\s*<[^<>]*>\s*$/.exec(entry);
  return found?.[1] || entry.replace(/^<|>$/g, "");
}
