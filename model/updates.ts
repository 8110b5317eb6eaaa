/** What is known of a newer version of the app itself. Nothing is asked of anybody unless a feed is set. */
export type UpdateState =
  /** No feed is set: nothing is ever asked, and no command for it is shown. */
  | { readonly kind: 'off' }
  | { readonly kind: 'idle' }
  | { readonly kind: 'checking' }
  /** `atMs`: on this machine's clock. */
  | { readonly kind: 'current'; readonly atMs: number }
  /** `bytes`: of the download; null: the feed does not say. */
  | { readonly kind: 'available'; readonly version: string; readonly bytes: number | null }
  | { readonly kind: 'downloading'; readonly version: string; readonly percent: number | null }
  /** Downloaded, and its sum is the one that the feed named. */
  | { readonly kind: 'ready'; readonly version: string }
  | { readonly kind: 'installing'; readonly version: string }
  | {
      readonly kind: 'failed';
      readonly doing: UpdateAct;
      readonly message: string;
      readonly detail: string | null;
    };

export const UPDATE_ACTS = ['check', 'download', 'install'] as const;
export type UpdateAct = (typeof UPDATE_ACTS)[number];
