/** Whether what a test needs has to be there: a check that CI leaves out unseen is no check. */
export const isRequired = Boolean(process.env['CI']);
