// Aligned columns.
import stringWidth from 'fast-string-width';

/**
 * Rows as lines with two blanks between columns; no line ends in blanks. Widths are those of a terminal (wide
 * characters count two, combining ones none); rows may have fewer cells than others.
 */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, stringWidth(cell));
  }
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => cell + ' '.repeat(widths[i]! - stringWidth(cell))).join('  ');
  return rows.map((row) => line(row).trimEnd()).join('\n');
}
