import { count } from '../components/words';
import { asTable, type ITable } from './model';

/** So many rows of a table are shown: a scrap can be a whole data set. */
const SHOWN_ROWS = 50;

/** What a notebook glued: a plain value as it is, a table as a table, anything else as JSON to unfold. */
export function ScrapValue({ value }: { readonly value: unknown }): JSX.Element {
  if (typeof value !== 'object' || value === null) {
    return <code>{JSON.stringify(value)}</code>;
  }
  const table = asTable(value);
  if (table !== null) {
    return <Table table={table} />;
  }
  const size = Array.isArray(value)
    ? count(value.length, 'entry', 'entries')
    : count(Object.keys(value).length, 'key');
  return (
    <details>
      <summary>{size}</summary>
      <pre className="jp-Hermes-text">{JSON.stringify(value, null, 2)}</pre>
    </details>
  );
}

function Table({ table }: { readonly table: ITable }): JSX.Element {
  const { columns, rows } = table;
  const hidden = rows.length - SHOWN_ROWS;
  return (
    <details>
      <summary>
        {count(rows.length, 'row')} × {count(columns.length, 'column')}
      </summary>
      <div className="jp-Hermes-scrap-table">
        <table>
          <thead>
            <tr>
              {columns.map((column, place) => (
                <th key={place} scope="col">
                  {String(column)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, SHOWN_ROWS).map((row, place) => (
              <tr key={place}>
                {row.map((cell, column) => (
                  <td key={column}>{typeof cell === 'string' ? cell : JSON.stringify(cell)}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
        {hidden > 0 && <p className="jp-Hermes-note">and {count(hidden, 'more row')}</p>}
      </div>
    </details>
  );
}
