/** Names that preload and main process share. No imports: the preload is one small file. */
export const REQUEST_CHANNEL = 'tranche:request';
export const EVENT_CHANNEL = 'tranche:event';
export const COPY_CHANNEL = 'tranche:copy';
