/** Writes every text that is made of data: npm run texts. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { COMMAND_TEXTS, commandText } from './command-texts.ts';
import { MANUAL_PAGE, manualPage, SAMPLE_FILE, sampleFile } from './policy-texts.ts';
import { PAGES, ROOT, withTables } from './readme-tables.ts';

for (const page of PAGES) writeFileSync(join(ROOT, page), withTables(page, readFileSync(join(ROOT, page), 'utf8')));
writeFileSync(SAMPLE_FILE, sampleFile());
writeFileSync(MANUAL_PAGE, manualPage());
for (const [file, make] of Object.entries(COMMAND_TEXTS)) {
  mkdirSync(dirname(join(ROOT, file)), { recursive: true });
  writeFileSync(join(ROOT, file), commandText(make));
}
