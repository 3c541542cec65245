// Writes what failed and how as texts, for the end of `npm test`: what is above it may be thousands of lines.
import { writeFileSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';
import type { TestError } from 'vitest';
import type { Reporter, SerializedError, TestModule } from 'vitest/node';

/** More of one failure than this is above, where it happened. */
const LINES = 60;

/** A reporter of vitest's: the texts go as a JSON list to a file. */
export const failureReporter = (file: string): Reporter => ({
  onTestRunEnd(modules, unhandled) {
    const outside = unhandled.map((error) => text('outside any test', error));
    writeFileSync(file, JSON.stringify([...modules.flatMap(ofModule), ...outside]));
  },
});

function ofModule(module: TestModule): string[] {
  const outside = module.errors().map((error) => text(module.relativeModuleId, error));
  const suites = [...module.children.allSuites()].flatMap((suite) =>
    suite.errors().map((error) => text(`${module.relativeModuleId} > ${suite.fullName}`, error)),
  );
  const tests = [...module.children.allTests('failed')].flatMap((test) =>
    (test.result().errors ?? []).map((error) => text(`${module.relativeModuleId} > ${test.fullName}`, error)),
  );
  return [...outside, ...suites, ...tests];
}

/** `error`: as vitest carries it from the worker: message, diff, and a stack in frames. */
function text(title: string, error: SerializedError | TestError): string {
  const { message, diff = '', stacks = [] } = error as TestError;
  const frames = stacks
    .filter(({ file }) => !file.includes('node_modules'))
    .map(({ file, line, column }) => `at ${file}:${line}:${column}`);
  const lines = stripVTControlCharacters([message, diff, ...frames].join('\n'))
    .split('\n')
    .filter((line) => line.trim() !== '');
  const rest = lines.length > LINES ? ['…'] : [];
  return [title, ...[...lines.slice(0, LINES), ...rest].map((line) => `    ${line.slice(0, 400)}`)].join(
    '\n',
  );
}
