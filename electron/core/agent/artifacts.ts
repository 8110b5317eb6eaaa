/** The agent binaries that travel with the app, by host architecture. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fail, ok, type Result } from '../../../model/errors.ts';

export const AGENT_FILES = ['tranche', 'libtranche.so'] as const;
export const AGENT_ARCHITECTURES = ['x86_64', 'aarch64'] as const;
export type AgentArchitecture = (typeof AGENT_ARCHITECTURES)[number];

export interface AgentFile {
  readonly name: (typeof AGENT_FILES)[number];
  readonly base64: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** `uname -m` to one of ours. */
export function architectureOf(machine: string): AgentArchitecture | null {
  if (machine === 'x86_64' || machine === 'amd64') return 'x86_64';
  if (machine === 'aarch64' || machine === 'arm64') return 'aarch64';
  return null;
}

export async function loadArtifacts(
  folder: string,
  arch: AgentArchitecture,
): Promise<Result<readonly AgentFile[]>> {
  const files: AgentFile[] = [];
  for (const name of AGENT_FILES) {
    const path = join(folder, arch, name);
    try {
      const data = await readFile(path);
      files.push({
        name,
        base64: data.toString('base64').replace(/(.{76})/g, '$1\n'),
        bytes: data.length,
        sha256: createHash('sha256').update(data).digest('hex'),
      });
    } catch (error) {
      return fail(
        'unsupported-architecture',
        `This copy of Tranche has no agent for ${arch}. Nothing was sent to the host; build it with “npm run build:agent” or install a release.`,
        String(error),
      );
    }
  }
  return ok(files);
}
