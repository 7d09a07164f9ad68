/** A card with pools on this machine, for specs that run more than the driver. */
export { LUKS_HEADER_BYTES } from '../luks/header.js';
export { QsdSite, setupQemu, testCardId, testVolumeKey } from './qsd-site.js';

export { isQuestion } from './questions.js';

/** The command by which a head is put onto an overlay. */
export const OVERLAY_CUT_OVER = 'blockdev-reopen';
