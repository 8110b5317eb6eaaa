/**
 * Questions of the system's ssh, brought to our own dialogs by SSH_ASKPASS: ssh runs a small script with the question
 * as its argument and takes what it prints. The script and we meet in a folder that only this user can enter; the
 * answer goes through a pipe and never lies on a disk.
 */
import { spawnSync } from 'node:child_process';
import { constants, watch, type FSWatcher } from 'node:fs';
import { mkdtemp, open, readdir, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import askpassFile from './askpass.sh?raw';

/** The script opens its pipe right after it has asked; if nobody reads by then, ssh has ended it. */
const READER_TIMEOUT_MS = 2_000;
const READER_RETRY_MS = 20;

export interface AskpassQuestion {
  /** SSH_ASKPASS_PROMPT: '' for an answer, 'confirm' for yes or no, 'none' for something to be shown while it lasts. */
  readonly kind: string;
  readonly text: string;
}

/** null where there is no /bin/sh with mkfifo (Windows). */
export const whyNoAskpass: string | null =
  process.platform === 'win32'
    ? 'the system’s ssh cannot ask for anything here; use an agent, or a key without a passphrase'
    : spawnSync('sh', ['-c', 'command -v mkfifo'], { stdio: 'ignore' }).status === 0
      ? null
      : 'mkfifo is missing, by which the system’s ssh would ask';

export class Askpass {
  private readonly folder: string;
  private readonly watcher: FSWatcher;
  private readonly seen = new Set<string>();
  private readonly answer: (question: AskpassQuestion) => Promise<string | null>;

  private constructor(folder: string, answer: (question: AskpassQuestion) => Promise<string | null>) {
    this.folder = folder;
    this.answer = answer;
    this.watcher = watch(folder, () => void this.look());
  }

  /** `answer` is called for each question; null refuses it. */
  static async start(answer: (question: AskpassQuestion) => Promise<string | null>): Promise<Askpass> {
    const folder = await mkdtemp(join(tmpdir(), 'tranche-ask-'));
    await writeFile(join(folder, 'askpass'), askpassFile, { mode: 0o700 });
    return new Askpass(folder, answer);
  }

  /** What ssh has to be started with. */
  get env(): Readonly<Record<string, string>> {
    return {
      SSH_ASKPASS: join(this.folder, 'askpass'),
      SSH_ASKPASS_REQUIRE: 'force',
      // Before OpenSSH 8.4 a DISPLAY and no terminal were the only way to be asked like this.
      DISPLAY: process.env['DISPLAY'] ?? ':0',
      TRANCHE_PID: String(process.pid),
    };
  }

  /** A file in the same folder. */
  path(name: string): string {
    return join(this.folder, name);
  }

  async close(): Promise<void> {
    this.watcher.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  private async look(): Promise<void> {
    const names = await readdir(this.folder).catch(() => []); // closed meanwhile
    for (const name of names) {
      if (!name.startsWith('ask.') || this.seen.has(name)) continue;
      this.seen.add(name);
      void this.serve(name);
    }
  }

  private async serve(name: string): Promise<void> {
    const path = this.path(name);
    const [kind = '', ...text] = (await readFile(path, 'utf8')).split('\n');
    await unlink(path);
    const answer = await this.answer({ kind, text: text.join('\n') });
    await this.reply(this.path(`answer.${name.slice(4)}`), answer === null ? 'no\n' : `yes\n${answer}\n`);
  }

  private async reply(pipe: string, text: string): Promise<void> {
    const deadline = Date.now() + READER_TIMEOUT_MS;
    for (;;) {
      try {
        // Without waiting: a pipe that nobody reads would hold a thread for ever.
        const file = await open(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
        try {
          await file.writeFile(text);
        } finally {
          await file.close();
        }
        return;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        // ENXIO: not read yet. ENOENT, EPIPE: ssh has ended the script, and needs no answer.
        if (code !== 'ENXIO' || Date.now() > deadline) return;
        await delay(READER_RETRY_MS);
      }
    }
  }
}
