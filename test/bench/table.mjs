/** Aligned text: the first column to the left, the others to the right. */
export function renderTable(title, header, rows) {
  const lines = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const render = (line) =>
    line.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join("  ");
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  return [title, render(header), rule, ...rows.map(render), ""].join("\n");
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** `0.84 (0.79-0.88)` */
export function spread(values, show) {
  return `${show(median(values))} (${show(Math.min(...values))}-${show(Math.max(...values))})`;
}

export const fixed = (digits) => (value) => value.toFixed(digits);

/** Thousands apart, no fraction. */
export const whole = (value) => Math.round(value).toLocaleString("en-US");

export const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
