/** Writes every text that is made of data: npm run texts. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { COMMAND_TEXTS, commandText } from './command-texts.ts';
import { JSON_OUTPUTS, schemaFile, schemaText } from './json-texts.ts';
import { MANUAL_PAGE, manualPage, SAMPLE_FILE, sampleFile } from './policy-texts.ts';
import { PAGES, ROOT, withTables } from './readme-tables.ts';

for (const page of PAGES) writeFileSync(join(ROOT, page), withTables(page, readFileSync(join(ROOT, page), 'utf8')));
writeFileSync(SAMPLE_FILE, sampleFile());
writeFileSync(MANUAL_PAGE, manualPage());
const texts = [
  ...Object.entries(COMMAND_TEXTS).map(([file, make]) => [file, commandText(make)] as const),
  ...JSON_OUTPUTS.map((one) => [schemaFile(one), schemaText(one)] as const),
];
for (const [file, text] of texts) {
  mkdirSync(dirname(join(ROOT, file)), { recursive: true });
  writeFileSync(join(ROOT, file), text);
}
