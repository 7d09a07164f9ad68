/** A card with pools on this machine, for specs that run more than the driver. */
export { LUKS_HEADER_BYTES } from '../luks/header.js';
export { QsdSite, setupQemu, testCardId, testVolumeKey } from './qsd-site.js';

/** Whether a command to the daemon changes nothing. */
export const isQuestion = (command: string): boolean => /^(query-|qom-get$|qom-list$|x-debug-|qmp_)/.test(command);

/** The command by which a head is put onto an overlay. */
export const OVERLAY_CUT_OVER = 'blockdev-reopen';
