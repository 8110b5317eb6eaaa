/** Words for a host, to group and filter by. */
import { useState } from 'react';
import type { ReactElement } from 'react';
import type { HostSnapshot } from '../../../model/model.ts';
import { Button } from '../../components/bits.tsx';
import { Dialog } from '../../components/dialog.tsx';
import { parseTags, setTags, tagsOf, useTags } from '../../store/tags.ts';
import { openDialog, showToast } from '../../store/ui.ts';

const close = (): void => openDialog(null);

export function TagsDialog({ host }: { readonly host: HostSnapshot }): ReactElement {
  const before = useTags((s) => tagsOf(s.tags, host.id));
  const [typed, setTyped] = useState(before.join(', '));
  const words = parseTags(typed);
  const submit = (): void => {
    setTags(host.id, words);
    close();
    showToast(words.length === 0 ? `${host.name} has no tags` : `${host.name}: ${words.join(', ')}`);
  };
  return (
    <Dialog
      title={`Tags of ${host.name}`}
      onCancel={close}
      onSubmit={submit}
      actions={
        <>
          <Button onClick={close}>Cancel</Button>
          <Button kind="primary" onClick={submit}>
            Set tags
          </Button>
        </>
      }
    >
      <label className="field">
        <span>Tags, separated by commas</span>
        <span className="in">
          <input
            data-first-focus
            value={typed}
            placeholder="lab, basement"
            onChange={(event) => setTyped(event.target.value)}
          />
        </span>
      </label>
      <p className="small two hold">
        All hosts can be grouped and filtered by them. They stay on this computer.
      </p>
    </Dialog>
  );
}
