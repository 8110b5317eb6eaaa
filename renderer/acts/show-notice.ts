/** A notice outside the window: the desktop's own under Electron, the browser's under `serve`. */
import { about, request } from '../store/ask.ts';
import { useSettings } from '../store/settings.ts';
import type { NoticeKind } from '../store/settings.ts';
import { followLink } from './follow-link.ts';

export interface Notice {
  readonly kind: NoticeKind;
  readonly title: string;
  readonly body: string;
  readonly link: string | null;
}

/** A browser asks its user first; Electron's page has no say in it. */
export function askForNotices(): void {
  if (about().transport === 'serve' && 'Notification' in window && Notification.permission === 'default') {
    void Notification.requestPermission();
  }
}

export function showNotice({ kind, title, body, link }: Notice): void {
  const settings = useSettings.getState();
  if (!settings.notices[kind] || settings.noticesPaused) return;
  if (about().transport !== 'serve') {
    void request('notice:show', { title: title.slice(0, 200), body: body.slice(0, 600), link });
    return;
  }
  if (!('Notification' in window) || Notification.permission !== 'granted') return;
  const notice = new Notification(title, { body, tag: `${kind} ${title}` });
  notice.addEventListener('click', () => {
    window.focus();
    if (link !== null) followLink(link);
  });
}
