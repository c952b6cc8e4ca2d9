import { LabIcon } from '@jupyterlab/ui-components';

import svg from '../style/icons/hermes.svg';

/** A wing: what Hermes wears on his sandals. */
export const hermesIcon = new LabIcon({ name: 'hermes:icon', svgstr: svg });
