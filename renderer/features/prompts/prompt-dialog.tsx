/** A question of SSH, one at a time over all hosts. What is typed goes to the core and is kept nowhere here. */
import { useState } from 'react';
import type { ReactElement } from 'react';
import { assertNever } from '../../../model/errors.ts';
import type { HostSnapshot, Prompt } from '../../../model/model.ts';
import { ask } from '../../store/ask.ts';
import { useFleet } from '../../store/fleet.ts';
import { useUi } from '../../store/ui.ts';
import { Button } from '../../components/bits.tsx';
import { Dialog, FormDialog } from '../../components/dialog.tsx';

interface Asked {
  readonly host: HostSnapshot;
  readonly prompt: Prompt;
}

/** The first question in the order of the host list that was not put aside. */
export function PromptDialogs(): ReactElement | null {
  const { order, hosts } = useFleet();
  const hidden = useUi((s) => s.hiddenPromptIds);
  for (const id of order) {
    const host = hosts[id];
    if (host?.connection.kind !== 'asking') continue;
    const { prompt } = host.connection;
    if (!hidden.includes(prompt.promptId))
      return <PromptDialog key={prompt.promptId} host={host} prompt={prompt} />;
  }
  return null;
}

const answer = (asked: Asked, answers: string[] | null): void => {
  const { promptId } = asked.prompt;
  useUi.setState((s) => ({ hiddenPromptIds: [...s.hiddenPromptIds.slice(-64), promptId] }));
  void ask('prompt:answer', { hostId: asked.host.id, promptId, answers });
};

function PromptDialog(asked: Asked): ReactElement {
  const { prompt, host } = asked;
  switch (prompt.kind) {
    case 'host-key':
      return <HostKeyDialog host={host} prompt={prompt} />;
    case 'password':
      return (
        <SecretDialog
          host={host}
          prompt={prompt}
          title={`Password for ${prompt.user} on ${prompt.hostName}`}
          notes={[
            jumpNote(prompt.isJump, host),
            prompt.banner ?? '',
            'It is used for this login and kept in memory only.',
          ]}
          questions={[{ text: 'Password', echo: false }]}
          verb="Log in"
        />
      );
    case 'passphrase':
      return (
        <SecretDialog
          host={host}
          prompt={prompt}
          title="Passphrase of your key"
          notes={[prompt.keyFile, 'It opens the key on this machine and is sent nowhere.']}
          questions={[{ text: 'Passphrase', echo: false }]}
          verb="Unlock"
        />
      );
    case 'keyboard':
      return (
        <SecretDialog
          host={host}
          prompt={prompt}
          title={`${prompt.hostName} asks`}
          notes={[jumpNote(prompt.isJump, host), prompt.name, prompt.instructions]}
          questions={prompt.questions}
          verb="Answer"
        />
      );
    default:
      return assertNever(prompt, 'prompt');
  }
}

const jumpNote = (isJump: boolean, host: HostSnapshot): string =>
  isJump ? `This is the jump host on the way to ${host.name}.` : '';

function HostKeyDialog(props: {
  readonly host: HostSnapshot;
  readonly prompt: Extract<Prompt, { kind: 'host-key' }>;
}): ReactElement {
  const { host, prompt } = props;
  const cancel = (): void => answer(props, null);
  return (
    <Dialog
      title={`Is this ${prompt.hostName}?`}
      onCancel={cancel}
      onSubmit={cancel}
      actions={
        <>
          <Button onClick={cancel} autoFocus>
            Cancel
          </Button>
          <div className="grow" />
          <Button onClick={() => answer(props, ['once'])}>Connect once</Button>
          <Button kind="primary" onClick={() => answer(props, ['remember'])}>
            Remember and connect
          </Button>
        </>
      }
    >
      <p>
        You have not connected to it before, so its key is not known. {jumpNote(prompt.isJump, host)} Compare
        the fingerprint with what its administrator gives you.
      </p>
      <dl className="facts boxed">
        <dt>Key</dt>
        <dd className="mono">{prompt.keyType}</dd>
        <dt>Fingerprint</dt>
        <dd className="mono wrap select">{prompt.fingerprint}</dd>
      </dl>
      <p className="small two">
        Remember writes it to your known_hosts, as ssh does. Nothing has been sent yet.
      </p>
    </Dialog>
  );
}

function SecretDialog(props: {
  readonly host: HostSnapshot;
  readonly prompt: Prompt;
  readonly title: string;
  readonly notes: readonly string[];
  readonly questions: readonly { readonly text: string; readonly echo: boolean }[];
  readonly verb: string;
}): ReactElement {
  const [typed, setTyped] = useState<readonly string[]>(() => props.questions.map(() => ''));
  const cancel = (): void => answer(props, null);
  const submit = (): void => answer(props, [...typed]);
  return (
    <FormDialog title={props.title} onCancel={cancel} verb={props.verb} onSubmit={submit}>
      {props.notes
        .filter((note) => note !== '')
        .map((note) => (
          <p key={note} className="small two wrap">
            {note}
          </p>
        ))}
      {props.questions.map((question, index) => (
        <label className="field" key={`${String(index)}-${question.text}`}>
          <span className="wrap">{question.text}</span>
          <span className="in">
            <input
              data-first-focus={index === 0 || undefined}
              type={question.echo ? 'text' : 'password'}
              autoComplete="off"
              spellCheck={false}
              value={typed[index] ?? ''}
              onChange={(event) =>
                setTyped(typed.map((text, i) => (i === index ? event.target.value : text)))
              }
            />
          </span>
        </label>
      ))}
    </FormDialog>
  );
}
