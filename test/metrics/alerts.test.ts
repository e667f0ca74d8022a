/** What Prometheus makes of our numbers: alert rules, dashboard, units. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { SPOOFING } from '../../src/filter/spoofing.ts';
import { prometheus } from '../lab/prometheus.ts';

const SHIPPED = new URL('../../xen-scripts/', import.meta.url).pathname;
const RULES = `${SHIPPED}prometheus/xen-vif-bridge.rules.yml`;
const SOURCE = readFileSync(new URL('../../src/commands/metrics/families.ts', import.meta.url), 'utf8');
/** The names that `metrics` prints. */
const NAMES: readonly string[] = [...SOURCE.matchAll(/name: '(xen_vif_\w+)'/g)].flatMap(([, name]) => name ?? []);

const tools = await prometheus();
const skip = typeof tools === 'string' ? tools : false;

test('the alert rules are right, and fire when they should and only then', { skip }, async (t) => {
  assert.ok(typeof tools !== 'string');
  const folder = mkdtempSync(join(tmpdir(), 'xvb-alerts-'));
  t.after(() => rmSync(folder, { recursive: true }));
  copyFileSync(RULES, join(folder, 'xen-vif-bridge.rules.yml'));
  copyFileSync(new URL('alerts.yml', import.meta.url).pathname, join(folder, 'alerts.yml'));
  const checked = await tools.promtool(['check', 'rules', RULES]);
  assert.equal(checked.status, 0, checked.stderr);
  const played = await tools.promtool(['test', 'rules', join(folder, 'alerts.yml')]);
  assert.equal(played.status, 0, played.stdout + played.stderr);
});

test('every alert is played', () => {
  const played = readFileSync(new URL('alerts.yml', import.meta.url), 'utf8');
  const alerts = [...readFileSync(RULES, 'utf8').matchAll(/alert: (\w+)/g)].flatMap(([, name]) => name ?? []);
  assert.ok(alerts.length >= 5);
  for (const name of alerts) assert.match(played, new RegExp(`alertname: ${name}\\b`));
});

test('the alert on spoofing knows every reason that is spoofing', () => {
  const [, reasons = ''] = /reason=~"([^"]*)"\}\[5m\]/.exec(readFileSync(RULES, 'utf8')) ?? [];
  assert.deepEqual(reasons.split('|'), [...SPOOFING]);
});

test('alerts and dashboard ask for what is there', () => {
  const dashboard = readFileSync(`${SHIPPED}grafana/xen-vif-bridge.json`, 'utf8');
  for (const text of [dashboard, readFileSync(RULES, 'utf8')]) {
    const asked = [...text.matchAll(/\bxen_vif_\w+/g)].map(([name]) => name);
    assert.ok(asked.length > 5);
    assert.deepEqual(
      asked.filter((name) => !NAMES.includes(name)),
      [],
    );
  }
  const { panels } = JSON.parse(dashboard) as { panels: { id: number; targets: { expr: string }[] }[] };
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
});

test("the dashboard's questions are PromQL", { skip }, async (t) => {
  assert.ok(typeof tools !== 'string');
  const { panels } = JSON.parse(readFileSync(`${SHIPPED}grafana/xen-vif-bridge.json`, 'utf8')) as {
    panels: { title: string; targets: { expr: string }[] }[];
  };
  const questions = panels.flatMap(({ targets }) =>
    targets.map(({ expr }) => expr.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*')),
  );
  const folder = mkdtempSync(join(tmpdir(), 'xvb-dashboard-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const rules = questions.map((expr, index) => ({ record: `question_${index}`, expr }));
  const file = join(folder, 'questions.yml');
  // JSON is YAML.
  writeFileSync(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
  const checked = await tools.promtool(['check', 'rules', file]);
  assert.equal(checked.status, 0, checked.stderr);
});

test('the units run what there is, and write where the rules look', () => {
  const units = readdirSync(`${SHIPPED}systemd`);
  for (const unit of ['xen-vif-bridge-metrics.service', 'xen-vif-bridge-metrics.timer'])
    assert.ok(units.includes(unit));
  const service = readFileSync(`${SHIPPED}systemd/xen-vif-bridge-metrics.service`, 'utf8');
  assert.match(
    service,
    /^ExecStart=\/opt\/xen-vif-bridge\/xen-scripts\/vif-bridge metrics --output \S+\/xen-vif-bridge\.prom$/m,
  );
  assert.match(readFileSync(RULES, 'utf8'), /file=~"\.\*\/xen-vif-bridge\[\.\]prom"/);
});
