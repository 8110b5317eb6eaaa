/** Words for a host, to group and filter by. */
import { useState } from 'react';
import type { ReactElement } from 'react';
import type { HostSnapshot } from '../../../model/model.ts';
import { FormDialog } from '../../components/dialog.tsx';
import { TypedField } from '../../components/field.tsx';
import { parseTags, setTags, tagsOf, useTags } from '../../store/tags.ts';
import { closeDialog, showToast } from '../../store/ui.ts';

export function TagsDialog({ host }: { readonly host: HostSnapshot }): ReactElement {
  const before = useTags((s) => tagsOf(s.tags, host.id));
  const [typed, setTyped] = useState(before.join(', '));
  const words = parseTags(typed);
  const submit = (): void => {
    setTags(host.id, words);
    closeDialog();
    showToast(words.length === 0 ? `${host.name} has no tags` : `${host.name}: ${words.join(', ')}`);
  };
  return (
    <FormDialog title={`Tags of ${host.name}`} onCancel={closeDialog} verb="Set tags" onSubmit={submit}>
      <TypedField
        label="Tags, separated by commas"
        value={typed}
        onType={setTyped}
        selects={false}
        more={{ 'data-first-focus': true, placeholder: 'lab, basement' }}
      />
      <p className="small two hold">
        All hosts can be grouped and filtered by them. They stay on this computer.
      </p>
    </FormDialog>
  );
}
