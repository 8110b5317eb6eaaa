/** What the app remembers about hosts: typed ones, hidden ones, those to reconnect. One small file, written atomically. */
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';

const HOSTS_MAX = 500;
const hostList = z.array(z.string().min(1).max(300)).max(HOSTS_MAX);
const schema = z.object({
  version: z.literal(1),
  typed: hostList,
  hidden: hostList,
  open: hostList,
  /** Hosts for which a transport was chosen. */
  transports: z.record(z.string().max(300), z.enum(['built-in', 'system'])).default({}),
});
export type SavedHosts = Omit<z.infer<typeof schema>, 'version'>;

const EMPTY: SavedHosts = { typed: [], hidden: [], open: [], transports: {} };

export class HostStore {
  private readonly path: string;
  private saved: SavedHosts = EMPTY;
  private writing: Promise<void> = Promise.resolve();

  constructor(folder: string) {
    this.path = join(folder, 'hosts.json');
  }

  get hosts(): SavedHosts {
    return this.saved;
  }

  /** A missing file is a first start. A broken one is kept aside, and the note says so. */
  async load(): Promise<string | null> {
    let text: string;
    try {
      text = await readFile(this.path, 'utf8');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      return code === 'ENOENT'
        ? null
        : `${this.path} can not be read (${code ?? 'unknown'}); typed hosts are missing.`;
    }
    try {
      this.saved = schema.parse(JSON.parse(text));
      return null;
    } catch {
      await rename(this.path, `${this.path}.broken`);
      return `${this.path} was damaged and is kept as hosts.json.broken; typed hosts must be typed again.`;
    }
  }

  /** Applies `change` and writes; writes are queued, the last one wins. Rejects when the disk refuses. */
  update(change: (hosts: SavedHosts) => SavedHosts): Promise<void> {
    this.saved = change(this.saved);
    const text = `${JSON.stringify({ version: 1, ...this.saved }, null, 2)}\n`;
    const write = this.writing.then(() => this.write(text));
    this.writing = write.catch(() => undefined); // the caller of this update hears of it; the next one starts afresh
    return write;
  }

  private async write(text: string): Promise<void> {
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
    const temporary = `${this.path}.new`;
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, this.path);
  }
}
