/** Settings, found by typing. A change applies at once; there is nothing to save. */
import { useState } from 'react';
import type { ReactElement } from 'react';
import { assertNever } from '../../../model/errors.ts';
import { about } from '../../store/ask.ts';
import { searchSettings } from '../../store/setting-list.ts';
import type { SettingSpec } from '../../store/setting-list.ts';
import { DENSITIES, MOTIONS, NOTICES, THEMES, changeSettings, useSettings } from '../../store/settings.ts';
import type { Settings } from '../../store/settings.ts';
import { closeDialog } from '../../store/ui.ts';
import { Button } from '../../components/bits.tsx';
import { Dialog } from '../../components/dialog.tsx';
import { askForNotices } from '../../acts/show-notice.ts';

const WORDS: Readonly<Record<string, string>> = {
  system: 'As the system',
  light: 'Light',
  dark: 'Dark',
  contrast: 'High contrast',
  comfortable: 'Comfortable',
  compact: 'Compact',
  reduced: 'Reduced',
};

export function SettingsSheet({ search = '' }: { readonly search?: string | undefined }): ReactElement {
  const [typed, setTyped] = useState(search);
  const shown = searchSettings(typed);
  const groups = [...new Set(shown.map((setting) => setting.group))];
  return (
    <Dialog
      title="Settings"
      wide
      onCancel={closeDialog}
      onSubmit={closeDialog}
      actions={
        <Button kind="primary" onClick={closeDialog}>
          Done
        </Button>
      }
    >
      <label className="field">
        <span>Search settings</span>
        <span className="in">
          <input data-first-focus value={typed} onChange={(event) => setTyped(event.target.value)} />
        </span>
      </label>
      <div className="settings-list">
        {groups.map((group) => (
          <section key={group} aria-label={group}>
            <h3>{group}</h3>
            {shown
              .filter((setting) => setting.group === group)
              .map((setting) => (
                <SettingRow key={setting.id} setting={setting} />
              ))}
          </section>
        ))}
        {shown.length === 0 && (
          <p className="small two">
            No setting is called “{typed}”.{' '}
            <Button tight onClick={() => setTyped('')}>
              Clear
            </Button>
          </p>
        )}
      </div>
    </Dialog>
  );
}

function SettingRow({ setting }: { readonly setting: SettingSpec }): ReactElement {
  const aboutId = `about-${setting.id}`;
  return (
    <div className="setting">
      <div className="grow">
        <p id={`name-${setting.id}`}>{setting.title}</p>
        <p className="small two" id={aboutId}>
          {setting.about}
        </p>
      </div>
      <Control setting={setting} />
    </div>
  );
}

function Control({ setting }: { readonly setting: SettingSpec }): ReactElement {
  const settings = useSettings();
  const { id } = setting;
  switch (id) {
    case 'theme':
      return (
        <Choice
          id={id}
          value={settings.theme}
          values={THEMES}
          onPick={(theme) => changeSettings({ theme })}
        />
      );
    case 'density':
      return (
        <Choice
          id={id}
          value={settings.density}
          values={DENSITIES}
          onPick={(density) => changeSettings({ density })}
        />
      );
    case 'motion':
      return (
        <Choice
          id={id}
          value={settings.motion}
          values={MOTIONS}
          onPick={(motion) => changeSettings({ motion })}
        />
      );
    case 'idle':
      return (
        <Figure
          id={id}
          range={[1, 1440]}
          value={settings.idleMinutes}
          onPick={(idleMinutes) => changeSettings({ idleMinutes })}
        />
      );
    case 'hot':
      return (
        <Figure
          id={id}
          range={[40, 120]}
          value={settings.hotCelsius}
          onPick={(hotCelsius) => changeSettings({ hotCelsius })}
        />
      );
    case 'letters':
      return (
        <Switch
          id={id}
          on={settings.letterKeys}
          refusal={null}
          onChange={(letterKeys) => changeSettings({ letterKeys })}
        />
      );
    case 'terminal-reader':
      return (
        <Switch
          id={id}
          on={settings.terminalReader}
          refusal={null}
          onChange={(terminalReader) => changeSettings({ terminalReader })}
        />
      );
    case 'tray':
      return (
        <Switch
          id={id}
          on={settings.tray}
          refusal={about().transport === 'electron' ? null : 'A browser has no tray.'}
          onChange={(tray) => changeSettings({ tray })}
        />
      );
    case 'notice-denied':
    case 'notice-fault':
    case 'notice-gpuFree':
    case 'notice-hostLost':
    case 'notice-hot':
    case 'notice-idle':
    case 'notice-jobEnded':
    case 'notice-sliceChanged':
      return <NoticeSwitch id={id} settings={settings} />;
    default:
      return assertNever(id, 'setting');
  }
}

function NoticeSwitch(props: { readonly id: SettingSpec['id']; readonly settings: Settings }): ReactElement {
  const { id, settings } = props;
  const kind = NOTICES.find((name) => id === `notice-${name}`) ?? 'denied';
  return (
    <Switch
      id={id}
      on={settings.notices[kind]}
      refusal={null}
      onChange={(on) => {
        changeSettings({ notices: { ...settings.notices, [kind]: on } });
        if (on) askForNotices();
      }}
    />
  );
}

function Choice<T extends string>(props: {
  readonly id: string;
  readonly value: T;
  readonly values: readonly T[];
  readonly onPick: (value: T) => void;
}): ReactElement {
  const { id, value, values, onPick } = props;
  return (
    <div className="seg-ctl" role="group" aria-labelledby={`name-${id}`}>
      {values.map((one) => (
        <button key={one} type="button" aria-pressed={one === value} onClick={() => onPick(one)}>
          {WORDS[one] ?? one}
        </button>
      ))}
    </div>
  );
}

function Switch(props: {
  readonly id: string;
  readonly on: boolean;
  readonly refusal: string | null;
  readonly onChange: (on: boolean) => void;
}): ReactElement {
  const { id, on, refusal, onChange } = props;
  return (
    <button
      type="button"
      role="switch"
      className="switch"
      aria-checked={on}
      aria-labelledby={`name-${id}`}
      aria-describedby={`about-${id}`}
      aria-disabled={refusal !== null || undefined}
      title={refusal ?? undefined}
      onClick={() => refusal === null && onChange(!on)}
    >
      <i aria-hidden="true" />
      {on ? 'On' : 'Off'}
    </button>
  );
}

function Figure(props: {
  readonly id: string;
  readonly range: readonly [number, number];
  readonly value: number;
  readonly onPick: (value: number) => void;
}): ReactElement {
  const { id, range, value, onPick } = props;
  const [least, most] = range;
  return (
    <input
      className="figure-box"
      type="number"
      min={least}
      max={most}
      aria-labelledby={`name-${id}`}
      value={value}
      onChange={(event) => {
        const typed = Math.round(event.target.valueAsNumber);
        if (typed >= least && typed <= most) onPick(typed);
      }}
    />
  );
}
