/** Jobs in the window: run, wait with a reason, read the log, hold, cancel; with the keyboard, and with villains' text. */
import type { Locator } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import type { Failure } from '../../model/errors.ts';
import type { Job } from '../../model/job.ts';
import { cannotRun, useFakePage } from '../renderer/e2e-page.ts';

const HOST = 'ssh:hopper';
/** The log asks a host that is away again every two seconds. */
const STEP_MS = 8000;

describe.skipIf(cannotRun)('jobs', () => {
  const fake = useFakePage();
  const row = (name: string): Locator => fake.page.getByRole('row', { name: new RegExp(`^${name}`) });
  const log = (): Locator => fake.page.getByRole('log');
  const openJobs = async (): Promise<void> => {
    await fake.page.getByRole('tab', { name: /^Jobs/ }).click();
    await row('train-7').waitFor();
  };
  const openRun = async (slice: string): Promise<Locator> => {
    await fake.slider(slice).click();
    await fake.page.keyboard.press('r');
    const sheet = fake.page.getByRole('dialog');
    await sheet.waitFor();
    return sheet;
  };
  interface Lab {
    readonly __trancheFake: {
      changeJob(hostId: string, jobId: string, change: Partial<Job>): void;
      writeLog(hostId: string, jobId: string, text: string): void;
      logFailure: Failure | null;
    };
  }
  const changeJob = (jobId: string, change: Partial<Job>): Promise<void> =>
    fake.page.evaluate(
      ([host, id, given]) => {
        (window as unknown as Lab).__trancheFake.changeJob(host, id, given);
      },
      [HOST, jobId, change] as const,
    );
  const writeLog = (jobId: string, text: string): Promise<void> =>
    fake.page.evaluate(
      ([host, id, given]) => {
        (window as unknown as Lab).__trancheFake.writeLog(host, id, given);
      },
      [HOST, jobId, text] as const,
    );
  const setLogFailure = (failure: Failure | null): Promise<void> =>
    fake.page.evaluate((given) => {
      (window as unknown as Lab).__trancheFake.logFailure = given;
    }, failure);
  const idOf = (name: string): Promise<string> =>
    row(name)
      .getAttribute('data-row')
      .then((id) => id ?? '');

  /** Picks a job in the list. Its id. */
  const pick = async (name: string): Promise<string> => {
    await openJobs();
    await row(name).click();
    return idOf(name);
  };
  const openLog = async (name: string): Promise<string> => {
    const id = await pick(name);
    await fake.page.keyboard.press('l');
    await expect.poll(() => log().textContent()).toContain('100% done');
    return id;
  };

  it('says of each what it does and what it waits for, in a sentence', async () => {
    await fake.open();
    await openJobs();
    const text = async (name: string): Promise<string | null> => row(name).textContent();
    expect(await text('train-8')).toMatch(
      /highresnet-sweepmirawaiting\d\d:\d\dWaits for train-7 of mira, running since .*; first in line\./,
    );
    expect(await text('serve-new')).toMatch(
      /Starts when serve-old of tom has stopped, at \d\d:\d\d:\d\d at the latest\./,
    );
    expect(await text('embed')).toContain(
      'Needs 6.0 GiB free in the slice, and 2.0 GiB are: processes outside the queue hold the rest.',
    );
    expect(await text('later')).toContain('Held by tom until it is released.');
    await fake.page.getByRole('row').last().focus();
    await fake.page.keyboard.press('End');
    await row('lost-one').waitFor();
    expect(await text('train-5')).toContain('failed, exit 1');
    expect(await text('train-4')).toContain('ended by SIGSEGV');
    expect(await text('probe')).toContain('Cancelled by tom.');
    expect(await text('lost-one')).toContain('Its supervisor was killed');
  });

  it('runs a command in the selected slice, without a mouse, and remembers it', async () => {
    const page = await fake.open();
    const sheet = await openRun('nightly');
    expect(await sheet.getByRole('status').textContent()).toContain('Type a command');
    await page.keyboard.type('python train.py --name "a b"; echo $HOME');
    expect(await sheet.getByRole('status').textContent()).toBe('Nobody is before it: it starts at once.');
    // Enter is a line of the command, and in no other field a start either.
    await page.keyboard.press('Enter');
    await page.keyboard.type('date');
    await sheet.getByPlaceholder('from the command').focus();
    await page.keyboard.press('Enter');
    expect(await sheet.getByRole('textbox').first().inputValue()).toBe(
      'python train.py --name "a b"; echo $HOME\ndate',
    );
    await sheet.getByRole('textbox').first().focus();
    await page.keyboard.press('Control+End');
    for (let at = 0; at < '\ndate'.length; at += 1) await page.keyboard.press('Backspace');
    expect(await fake.calls('job:start')).toEqual([]);
    await page.keyboard.press('Control+Enter');
    await sheet.waitFor({ state: 'detached' });
    const [call] = await fake.calls('job:start');
    expect(call).toMatchObject({
      hostId: HOST,
      sliceId: 's-GPU-hopper-2-nightly',
      command: 'python train.py --name "a b"; echo $HOME',
      name: null,
      cwd: null,
      priority: 'normal',
      preemptible: false,
      requeue: false,
      preempts: false,
      minFreeBytes: null,
      graceMs: 30_000,
      environment: null,
    });
    expect(await fake.toast().textContent()).toContain('train runs in nightly as soon as it is its turn');
    await row('train').first().waitFor();
    expect(await page.getByRole('tab', { name: /^Jobs/ }).getAttribute('aria-selected')).toBe('true');
    const again = await openRun('nightly');
    expect(await again.getByRole('textbox', { name: /Command/ }).inputValue()).toContain('python train.py');
    await page.keyboard.press('Escape');
  });

  it('runs in the environment that is chosen, of the folder that is typed, and remembers it for the host', async () => {
    const page = await fake.open();
    let sheet = await openRun('nightly');
    const environment = () => sheet.getByLabel('Environment');
    const names = () => environment().locator('option').allTextContents();
    await expect.poll(names).toEqual(['As in your shell', '…/.venv', 'conda torch']);
    expect(await environment().inputValue()).toBe('');
    await environment().selectOption('conda torch');
    await sheet.getByLabel('Folder').fill('/data/run');
    await expect
      .poll(async () =>
        ((await fake.calls('job:environments')) as { cwd: string | null }[]).map(({ cwd }) => cwd),
      )
      .toEqual([null, '/data/run']);
    await sheet.getByRole('textbox').first().fill('python train.py');
    await page.keyboard.press('Control+Enter');
    await expect
      .poll(() => fake.calls('job:start'))
      .toMatchObject([{ environment: '/home/mira/miniconda3/envs/torch', cwd: '/data/run' }]);
    await sheet.waitFor({ state: 'detached' });
    sheet = await openRun('finetune');
    await expect.poll(() => environment().inputValue()).toBe('/home/mira/miniconda3/envs/torch');
    await environment().selectOption('');
    await sheet.getByLabel('Folder').fill('/locked');
    await expect
      .poll(() => sheet.textContent())
      .toContain('Environments could not be looked for: The folder /locked cannot be read');
    expect(await names()).toEqual(['As in your shell']);
    await sheet.getByRole('textbox').first().fill('python train.py');
    await page.keyboard.press('Control+Enter');
    await expect
      .poll(
        async () => ((await fake.calls('job:start')) as { environment: string | null }[]).at(-1)?.environment,
      )
      .toBeNull();
  });

  it('tells beforehand who is before it and who would be stopped', async () => {
    const page = await fake.open();
    const sheet = await openRun('resnet-sweep');
    const status = sheet.getByRole('status');
    await page.keyboard.type('./run.sh');
    expect(await status.textContent()).toBe('Waits for train-7 of mira: third in line.');
    await sheet.getByLabel('Priority in the line').selectOption('low');
    expect(await status.textContent()).toBe('Waits for train-7 of mira: third in line.');
    await sheet.getByLabel('Priority in the line').selectOption('high');
    expect(await status.textContent()).toBe('Waits for train-7 of mira: second in line.');
    await sheet.getByLabel('Slice').selectOption({ label: 'nightly · lab · 24.0 GiB' });
    await sheet.getByLabel('Starts only with this free').fill('40');
    expect(await status.textContent()).toContain('nightly has a limit of 24.0 GiB');
    await sheet.getByLabel('Starts only with this free').fill('10g');
    expect(await status.textContent()).toBe('Nobody is before it: it starts, once 10.0 GiB are free.');
    await sheet.getByLabel('From SIGTERM to SIGKILL').fill('9999');
    expect(await status.textContent()).toContain('0 to 600 seconds');
    await sheet.getByLabel('From SIGTERM to SIGKILL').fill('5');
    await sheet.getByLabel('When a higher one comes').selectOption('requeue');
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await expect
      .poll(() => fake.calls('job:start'))
      .toMatchObject([
        { priority: 'high', preemptible: true, requeue: true, minFreeBytes: 10 * 1024 ** 3, graceMs: 5000 },
      ]);
  });

  it('names the job that would be stopped for it', async () => {
    const page = await fake.open();
    await openJobs();
    await changeJob(await idOf('train-8'), { state: 'held' });
    const sheet = await openRun('resnet-sweep');
    await page.keyboard.type('./run.sh');
    await sheet.getByLabel('Priority in the line').selectOption('high');
    await sheet.getByRole('checkbox', { name: /of lower priority/ }).check();
    await expect
      .poll(() => sheet.getByRole('status').textContent())
      .toBe('train-7 of mira is asked to end, is killed after 30 s if it does not; then this one starts.');
  });

  it('shows a log as text and nothing else, follows it, and filters it', async () => {
    const page = await fake.open();
    const id = await openLog('train-7');
    const text = (await log().textContent()) ?? '';
    expect(text).toContain(
      'epoch 1 loss 2.31\nepoch 2 loss 1.98\n100% done\n<img src=x onerror=alert(1)> \uFFFDgnp.exe\uFFFD',
    );
    expect(await log().locator('img').count()).toBe(0);
    await writeLog(id, 'epoch 3 loss 1.71\n');
    await expect.poll(() => log().textContent()).toContain('epoch 3 loss 1.71');
    await page.getByRole('searchbox', { name: /Filter the log/ }).fill('EPOCH');
    await expect
      .poll(() => log().textContent())
      .toBe('epoch 1 loss 2.31\nepoch 2 loss 1.98\nepoch 3 loss 1.71\n');
    await page.getByRole('searchbox', { name: /Filter the log/ }).fill('nothing like it');
    await expect.poll(() => log().textContent()).toBe('No line has “nothing like it”.');
    await page.getByRole('button', { name: '‹ Jobs' }).click();
    await row('train-7').waitFor();
    const { length } = await fake.calls('job:log');
    await page.waitForTimeout(1000);
    expect(await fake.calls('job:log')).toHaveLength(length);
  });

  it('goes on with a log where it was when the host was away', async () => {
    const page = await fake.open();
    const id = await openLog('train-7');
    const away: Failure = { code: 'connection-lost', message: 'The connection broke.', detail: null };
    await setLogFailure(away);
    await expect.poll(() => page.locator('.job-log-head').textContent()).toContain('hopper is away');
    expect(await log().textContent()).toContain('100% done');
    await writeLog(id, 'written meanwhile\n');
    await changeJob(id, { state: 'ended', exitCode: 0, endedAtMs: Date.now() });
    await setLogFailure(null);
    await expect.poll(() => log().textContent(), { timeout: STEP_MS }).toContain('written meanwhile');
    await expect
      .poll(() => page.locator('.job-log-head').textContent(), { timeout: STEP_MS })
      .toContain('complete');
    const text = (await log().textContent()) ?? '';
    expect(text.match(/epoch 1/g)).toHaveLength(1);
    expect(await page.locator('.job-log-head').textContent()).toContain('done');
  });

  it('does not read the log of somebody else', async () => {
    const page = await fake.open();
    await pick('serve-old');
    await page.keyboard.press('l');
    expect(await fake.toast().textContent()).toContain('belongs to tom and is read by nobody else');
    expect(await fake.calls('job:log')).toEqual([]);
  });

  it('cancels after saying what, with Keep first; asks to end, or kills', async () => {
    const page = await fake.open();
    const id = await pick('train-7');
    await page.keyboard.press('c');
    const sheet = page.getByRole('dialog');
    expect(await sheet.textContent()).toMatch(
      /Cancel train-7 of mira\?.*python train-7\.py.*running.*Ask it to end, and kill it after 30 s/,
    );
    await page.keyboard.press('Enter');
    await sheet.waitFor({ state: 'detached' });
    expect(await fake.calls('job:act')).toEqual([]);
    await row('train-7').focus();
    await page.keyboard.press('c');
    await page.getByRole('button', { name: 'Ask it to end' }).click();
    await expect.poll(() => fake.calls('job:act')).toEqual([{ hostId: HOST, jobId: id, act: 'cancel' }]);
    await expect
      .poll(() => row('train-7').textContent())
      .toMatch(/stopping.*Asked to end by mira; killed at/);
    await row('train-7').focus();
    await page.keyboard.press('c');
    await page.getByRole('button', { name: 'Kill it' }).click();
    await expect.poll(() => fake.calls('job:act')).toContainEqual({ hostId: HOST, jobId: id, act: 'kill' });
  });

  it('holds, releases, reorders and reprioritises what waits, from keys and menu', async () => {
    const page = await fake.open();
    const id = await pick('train-8');
    await page.keyboard.press('h');
    await expect.poll(() => row('train-8').textContent()).toContain('on hold');
    await row('train-8').focus();
    await page.keyboard.press('h');
    await row('a-sweep').click({ button: 'right' });
    await page.getByRole('menuitem', { name: 'Move to the front' }).click();
    await row('a-sweep').click({ button: 'right' });
    await page.getByRole('menuitemradio', { name: 'Priority: high' }).click();
    await expect.poll(() => fake.calls('job:priority')).toMatchObject([{ priority: 'high' }]);
    expect(await fake.calls('job:act')).toMatchObject([
      { jobId: id, act: 'hold' },
      { jobId: id, act: 'release' },
      { act: 'first' },
    ]);
    await page.getByLabel('Jobs at once in a slice').selectOption('2');
    await expect.poll(() => fake.calls('job:slots')).toEqual([{ hostId: HOST, slots: 2 }]);
  });

  it('runs one that is over again, with what it was', async () => {
    const page = await fake.open();
    await page.getByRole('tab', { name: /^Jobs/ }).click();
    await page.locator('.dock .data-row').first().focus();
    await page.keyboard.press('End');
    const over = row('train-5');
    await over.click({ button: 'right' });
    await page.getByRole('menuitem', { name: 'Run again…' }).click();
    const sheet = page.getByRole('dialog');
    await sheet.waitFor();
    expect(await sheet.getByRole('textbox').first().inputValue()).toBe('python train-5.py');
    await page.keyboard.press('Control+Enter');
    await expect
      .poll(() => fake.calls('job:start'))
      .toMatchObject([
        { command: 'python train-5.py', name: 'train-5', sliceId: 's-GPU-hopper-0-resnet-sweep' },
      ]);
  });

  it('is found by its name or its command', async () => {
    const page = await fake.open();
    await page.keyboard.press('Control+k');
    await page.keyboard.type('train-8');
    await page.getByRole('option', { name: /^train-8/ }).waitFor();
    await page.keyboard.press('Enter');
    await expect.poll(() => row('train-8').getAttribute('aria-selected')).toBe('true');
  });

  it('names the job behind a process', async () => {
    const page = await fake.open();
    await page.getByRole('tab', { name: /^Processes/ }).click();
    await expect
      .poll(() => page.getByRole('row', { name: /resnet-sweep/ }).textContent())
      .toMatch(/train-7 python/);
  });

  it('shows the line of a slice in its inspector', async () => {
    const page = await fake.open();
    await fake.slider('resnet-sweep').click();
    const line = page.locator('.slice-queue');
    expect(await line.textContent()).toMatch(
      /train-7running.*train-8waitingWaits for train-7.*first in line\./,
    );
    await line.getByRole('button', { name: 'train-8' }).click();
    expect(await row('train-8').getAttribute('aria-selected')).toBe('true');
  });

  it('says what an older agent needs, and what is empty', async () => {
    const page = await fake.open();
    await page.locator('[data-host-row][aria-label^="ada"]').click();
    await page.getByRole('tab', { name: /^Jobs/ }).click();
    expect(await page.locator('#dock-panel').textContent()).toBe(
      'The agent on ada (0.0.9) has no queue for jobs: upgrade it.',
    );
  });

  it('says what to do where there are none', async () => {
    const page = await fake.open({ scene: 'bare' });
    await page.getByRole('tab', { name: /^Jobs/ }).click();
    expect(await page.locator('#dock-panel').textContent()).toContain('No jobs. R runs a command in a slice');
  });
});
