/** Whether a command to the daemon changes nothing. */
export const isQuestion = (command: string): boolean => /^(query-|qom-get$|qom-list$|x-debug-|qmp_)/.test(command);
