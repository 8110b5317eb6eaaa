/** A host that is not live: what is known, why it stopped, and the next act. */
import type { ReactElement, ReactNode } from 'react';
import type { Failure } from '../../../model/errors.ts';
import type { ConnectionState, DeployStep, HostSnapshot, PreviewGpu } from '../../../model/model.ts';
import { GIB, gib, gibWithUnit } from '../../../model/units.ts';
import { dayTimeSeconds } from '../../domain/when.ts';
import { ask, copy } from '../../store/ask.ts';
import { Button, cx, vars } from '../../components/bits.tsx';
import { Icon } from '../../components/icons.tsx';

type State<K extends ConnectionState['kind']> = Extract<ConnectionState, { kind: K }>;

function StateBox(props: { readonly isWide?: boolean; readonly children: ReactNode }): ReactElement {
  return (
    <div className="plain-state">
      <div className={cx('plain-box', props.isWide === true && 'wide-box')}>{props.children}</div>
    </div>
  );
}

/** What the next attempt needs, and what is given to somebody who can help. */
function RetryActs(props: {
  readonly host: HostSnapshot;
  readonly details: readonly (string | null)[];
  /** Whether another try is the likely way on. */
  readonly isLikely: boolean;
}): ReactElement {
  const { host, details, isLikely } = props;
  const text = details.filter((line) => line !== null).join('\n');
  return (
    <div className="row">
      <Button
        kind={isLikely ? 'primary' : 'plain'}
        onClick={() => void ask('host:retry', { hostId: host.id })}
      >
        Retry
      </Button>
      <Button onClick={() => void copy(text, 'Details')}>Copy details</Button>
    </div>
  );
}

export function Plain(props: {
  readonly title: string;
  readonly text: string;
  readonly act?: ReactNode;
  readonly tone?: 'warn' | 'bad';
}): ReactElement {
  return (
    <StateBox>
      <h2 className={props.tone ?? ''}>{props.title}</h2>
      {props.text !== '' && <p className="two">{props.text}</p>}
      {props.act !== undefined && <div className="row">{props.act}</div>}
    </StateBox>
  );
}

export function FailedView(props: { readonly host: HostSnapshot; readonly failure: Failure }): ReactElement {
  const { host, failure } = props;
  const details = [
    `${host.name} (${host.address ?? 'address not resolved'})`,
    failure.code,
    failure.message,
    failure.detail,
  ];
  return (
    <StateBox>
      <h2>Could not connect to {host.name}</h2>
      <p className="two">{failure.message}</p>
      {failure.detail !== null && <pre className="raw">{failure.detail}</pre>}
      <RetryActs host={host} details={details} isLikely />
    </StateBox>
  );
}

export function BlockedView(props: {
  readonly host: HostSnapshot;
  readonly connection: State<'blocked'>;
}): ReactElement {
  const { host, connection } = props;
  const { knownFingerprint, offeredFingerprint, knownHostsFile, knownHostsLine, failure } = connection;
  const where =
    knownHostsFile === null
      ? null
      : `${knownHostsFile}${knownHostsLine === null ? '' : `, line ${String(knownHostsLine)}`}`;
  const details = [
    failure.message,
    `known:   ${knownFingerprint ?? '—'}${where === null ? '' : ` (${where})`}`,
    `offered: ${offeredFingerprint ?? '—'}`,
    failure.detail,
  ];
  return (
    <StateBox isWide>
      <h2 className="bad">
        <Icon name="block" />{' '}
        {failure.code === 'host-key-revoked' ? 'The host key is revoked' : 'The host key has changed'}
      </h2>
      <p className="two">{failure.message}</p>
      <dl className="facts">
        <dt>Known</dt>
        <dd className="mono wrap">{knownFingerprint ?? '—'}</dd>
        {where !== null && (
          <>
            <dt>Written in</dt>
            <dd className="mono wrap">{where}</dd>
          </>
        )}
        <dt>Offered now</dt>
        <dd className="mono wrap bad">{offeredFingerprint ?? '—'}</dd>
      </dl>
      <p className="two">
        Nothing was sent, no password and no key. Either the machine was set up anew, or another one answers
        in its place. Ask whoever runs it for the fingerprint. If it is right, remove that line from the file
        yourself, then retry.
      </p>
      <RetryActs host={host} details={details} isLikely={false} />
    </StateBox>
  );
}

const STEP_WORDS: Readonly<Record<DeployStep, string>> = {
  probe: 'Look at the host: system, processor, a place for one file',
  upload: 'Send the agent',
  verify: 'Compare its checksum',
  activate: 'Put it in place',
  start: 'Start it under your account',
  hello: 'Shake hands',
};
const STEPS = Object.keys(STEP_WORDS) as readonly DeployStep[];

export function DeployView(props: {
  readonly host: HostSnapshot;
  readonly connection: State<'deploying'>;
}): ReactElement {
  const { host, connection } = props;
  return (
    <StateBox>
      <h2>Installing the agent on {host.name}</h2>
      <ol className="steps">
        {STEPS.map((step) => {
          const progress = connection.steps.find((entry) => entry.step === step);
          const state = progress?.state ?? 'waiting';
          return (
            <li
              key={step}
              className={`step-${state}`}
              aria-current={state === 'running' ? 'step' : undefined}
            >
              <Icon
                name={
                  state === 'done'
                    ? 'check'
                    : state === 'failed'
                      ? 'cross'
                      : state === 'running'
                        ? 'busy'
                        : 'dot'
                }
              />
              <span>{STEP_WORDS[step]}</span>
              {progress?.detail != null && <span className="small three cut">{progress.detail}</span>}
            </li>
          );
        })}
      </ol>
    </StateBox>
  );
}

export function PreviewView(props: {
  readonly host: HostSnapshot;
  readonly connection: State<'preview'>;
}): ReactElement {
  const { host, connection } = props;
  return (
    <>
      {connection.canDeploy && (
        <div className="banner install">
          <div className="grow">
            <b className="strong">Install agent</b> to cut these GPUs: 1 file, your account, no root, no port.
            <div className="small two">
              It goes to ~/.local/share/tranche and listens on nothing; this app talks to it over SSH.
              Removing it leaves nothing behind.
            </div>
          </div>
          <Button kind="primary" onClick={() => void ask('host:deploy', { hostId: host.id })}>
            Install agent
          </Button>
        </div>
      )}
      {connection.note !== null && (
        <Plain
          title={connection.gpus.length === 0 ? 'No GPU can be read' : 'Read-only'}
          text={connection.note}
          act={<Button onClick={() => void ask('host:retry', { hostId: host.id })}>Look again</Button>}
        />
      )}
      {connection.gpus.length > 0 && (
        <div className="gpus">
          {connection.gpus.map((gpu) => (
            <PreviewCard key={gpu.uuid} gpu={gpu} />
          ))}
          <p className="micro three">
            Read with {connection.tool} at {dayTimeSeconds(connection.asOfMs)}
            {connection.driver === null ? '' : `, driver ${connection.driver}`}. Who uses what is known once
            the agent runs.
          </p>
        </div>
      )}
    </>
  );
}

function PreviewCard({ gpu }: { readonly gpu: PreviewGpu }): ReactElement {
  const capacity = gpu.capacityBytes ?? 0;
  return (
    <article className="gpu" aria-label={`GPU ${String(gpu.index)}, ${gpu.name}`}>
      <header>
        <h2>GPU {gpu.index}</h2>
        <span className="cut">{gpu.name}</span>
        <div className="vitals">
          <span>{gpu.temperatureC === null ? '— °C' : `${String(gpu.temperatureC)} °C`}</span>
        </div>
      </header>
      <div className="body">
        <div className="gut mem">
          <b>{gib(gpu.memoryUsedBytes)}</b>
          <span>of {gibWithUnit(gpu.capacityBytes)} used</span>
        </div>
        <div>
          <div className="bar thin" style={vars({ '--scale': Math.max(1, capacity) / GIB })}>
            <div className="card-mem" style={vars({ '--at': 0, '--gib': Math.max(1, capacity) / GIB })} />
            {(gpu.memoryUsedBytes ?? 0) > 0 && (
              <div
                className="seg un"
                style={vars({ '--at': 0, '--gib': (gpu.memoryUsedBytes ?? 0) / GIB })}
              />
            )}
          </div>
        </div>
        <div className="gut inline">
          <b>{gpu.utilizationPercent === null ? '—' : `${String(gpu.utilizationPercent)} %`}</b>
          <span>GPU time</span>
        </div>
        <div>
          <div className="strip" style={vars({ '--cap': 1, '--mem': 1, '--sum': 100 })}>
            <div className="part un" style={vars({ '--at': 0, '--pct': 100 })}>
              <i className="use" style={vars({ '--fill': (gpu.utilizationPercent ?? 0) / 100 })} />
            </div>
          </div>
        </div>
      </div>
    </article>
  );
}
