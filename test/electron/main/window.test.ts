import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isAllowedPermission } from '../../../electron/main/permissions.ts';
import { parseSaved, readSaved, usableBounds, writeSaved } from '../../../electron/main/window-bounds.ts';
import { windowOptions } from '../../../electron/main/window-options.ts';

describe('windowOptions', () => {
  it('is this and nothing more', () => {
    expect(windowOptions({ preloadPath: '/app/preload.cjs', appVersion: '1.2.3', dark: true, bounds: null }))
      .toMatchInlineSnapshot(`
        {
          "backgroundColor": "#111214",
          "height": 900,
          "minHeight": 700,
          "minWidth": 1024,
          "show": false,
          "title": "Tranche",
          "webPreferences": {
            "additionalArguments": [
              "--tranche-version=1.2.3",
            ],
            "contextIsolation": true,
            "nodeIntegration": false,
            "preload": "/app/preload.cjs",
            "sandbox": true,
            "spellcheck": false,
            "webviewTag": false,
          },
          "width": 1440,
        }
      `);
  });
});

describe('window bounds', () => {
  const display = { x: 0, y: 0, width: 1920, height: 1080 };
  it('are used again while a display shows the title bar', () => {
    const saved = { x: 100, y: 50, width: 1400, height: 900 };
    expect(usableBounds(saved, [display])).toEqual(saved);
    expect(usableBounds({ ...saved, x: 1900 }, [display])).toBeNull();
    expect(usableBounds({ ...saved, y: -400 }, [display])).toBeNull();
    expect(usableBounds(saved, [])).toBeNull();
  });
  it('never restore a window below its smallest size', () => {
    expect(usableBounds({ x: 0, y: 0, width: 10, height: 10 }, [display])).toEqual({
      x: 0,
      y: 0,
      width: 1024,
      height: 700,
    });
  });
  it('ignore a file that says nonsense', () => {
    for (const text of [
      '',
      '{}',
      '[]',
      'null',
      '{"x":1,"y":2,"width":"3","height":4}',
      '{"x":1e99,"y":0,"width":1,"height":1}',
    ]) {
      expect(parseSaved(text)).toBeNull();
    }
  });
  it('survive a round trip and leave no other file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tranche-window-'));
    try {
      const file = join(folder, 'window.json');
      const saved = { bounds: { x: 1, y: 2, width: 1200, height: 800 }, maximized: true };
      writeSaved(file, saved);
      expect(readSaved(file)).toEqual(saved);
      expect(readdirSync(folder)).toEqual(['window.json']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('permissions', () => {
  it('grant writing the clipboard and nothing else', () => {
    expect(isAllowedPermission('clipboard-sanitized-write')).toBe(true);
    for (const other of [
      'clipboard-read',
      'media',
      'geolocation',
      'notifications',
      'openExternal',
      'fullscreen',
      '',
    ]) {
      expect(isAllowedPermission(other)).toBe(false);
    }
  });
});
