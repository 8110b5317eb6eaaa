/** Which columns a table shows. */
import type { ReactElement } from 'react';
import { useColumns } from '../../store/table-columns.ts';
import { Icon } from '../../components/icons.tsx';
import { Menu } from '../../components/menu.tsx';

export function ColumnsMenu(props: {
  readonly name: string;
  readonly sortBy: string;
  readonly columns: readonly {
    readonly id: string;
    readonly heading: string;
    readonly fixed?: true;
    readonly hidden?: true;
  }[];
}): ReactElement {
  const { name, sortBy, columns } = props;
  const { hidden, toggle } = useColumns(name, sortBy, columns);
  return (
    <Menu
      label="Columns"
      className="btn tight"
      entries={columns
        .filter((column) => column.fixed !== true)
        .map((column) => ({
          key: column.id,
          label: column.heading,
          many: true,
          checked: !hidden.includes(column.id),
          onPick: () => toggle(column.id),
        }))}
    >
      Columns <Icon name="down" />
    </Menu>
  );
}
