import { describe, expect, it } from 'vitest';
import { environmentNames } from '../../renderer/features/jobs/environments.ts';

describe('environments', () => {
  it('are called as people call them, and in full where that is the same twice', () => {
    expect(
      environmentNames([
        { kind: 'venv', path: '/home/u/p/.venv' },
        { kind: 'conda', path: '/opt/conda/envs/train' },
        { kind: 'pyenv', path: '/home/u/.pyenv/versions/3.11.4/' },
      ]).map(([, name]) => name),
    ).toEqual(['…/.venv', 'conda train', 'pyenv 3.11.4']);
    expect(
      environmentNames([
        { kind: 'venv', path: '/a/.venv' },
        { kind: 'venv', path: '/b/.venv' },
      ]).map(([, name]) => name),
    ).toEqual(['venv /a/.venv', 'venv /b/.venv']);
  });
});
