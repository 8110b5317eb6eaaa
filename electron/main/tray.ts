/** The tray, only when chosen in the settings: the worst state as its picture, hosts with what is free as its menu. */
import { Menu, Tray, app, nativeImage } from 'electron';
import type { MenuItemConstructorOptions, NativeImage } from 'electron';
import type { RequestArgs } from '../../model/ipc.ts';

export type TrayState = NonNullable<RequestArgs<'tray:show'>['tray']>;

export interface TrayActs {
  show(): void;
  navigate(link: string): void;
  command(id: string): void;
}

const SIZE_PX = 32;
const RADIUS_PX = 11;

/** A shape, not only a colour: a full disc, a half disc, a square. Drawn here, so that no picture file is shipped. */
export function glyph(worst: TrayState['worst']): Buffer {
  const pixels = Buffer.alloc(SIZE_PX * SIZE_PX * 4);
  const middle = (SIZE_PX - 1) / 2;
  for (let y = 0; y < SIZE_PX; y += 1) {
    for (let x = 0; x < SIZE_PX; x += 1) {
      const distance = Math.hypot(x - middle, y - middle);
      const ring = distance <= RADIUS_PX && distance > RADIUS_PX - 3;
      const square = Math.max(Math.abs(x - middle), Math.abs(y - middle)) <= RADIUS_PX - 2;
      const inside =
        worst === 'live'
          ? distance <= RADIUS_PX
          : worst === 'warn'
            ? ring || (distance <= RADIUS_PX && x > middle)
            : square;
      if (!inside) continue;
      // Grey in the middle of light and dark panels; macOS takes the alpha alone (a template image). BGRA.
      const colour =
        worst === 'bad' ? [0x40, 0x40, 0xd8] : worst === 'warn' ? [0x20, 0x90, 0xe0] : [0x9a, 0x9a, 0x9a];
      pixels.set([...colour, 0xff], (y * SIZE_PX + x) * 4);
    }
  }
  return pixels;
}

function picture(worst: TrayState['worst']): NativeImage {
  const image = nativeImage.createFromBitmap(glyph(worst), {
    width: SIZE_PX,
    height: SIZE_PX,
    scaleFactor: 2,
  });
  image.setTemplateImage(process.platform === 'darwin');
  return image;
}

export function trayMenu(state: TrayState, acts: TrayActs): MenuItemConstructorOptions[] {
  return [
    { label: 'Open Tranche', click: () => acts.show() },
    { type: 'separator' },
    ...state.hosts.map(({ label, link }) => ({ label, click: () => acts.navigate(link) })),
    ...(state.hosts.length > 0 ? [{ type: 'separator' as const }] : []),
    {
      label: 'Pause notices',
      type: 'checkbox',
      checked: state.paused,
      click: () => acts.command('notices.pause'),
    },
    { label: 'Quit', click: () => app.quit() },
  ];
}

export class TrayKeeper {
  readonly #acts: TrayActs;
  #tray: Tray | null = null;

  constructor(acts: TrayActs) {
    this.#acts = acts;
  }

  get isShown(): boolean {
    return this.#tray !== null;
  }

  show(state: TrayState | null): void {
    if (state === null) {
      this.#tray?.destroy();
      this.#tray = null;
      return;
    }
    this.#tray ??= new Tray(picture(state.worst));
    this.#tray.setImage(picture(state.worst));
    this.#tray.setToolTip('Tranche');
    this.#tray.setContextMenu(Menu.buildFromTemplate(trayMenu(state, this.#acts)));
  }
}
