/** A filter is found by its name: NAME.xml. */
export const FILTER_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.:+-]{0,99}$/;

/** What a variable may be called, and what may be its value: no blanks, and no blocks of addresses. */
export const VARIABLE_NAME = /^[A-Za-z0-9_]+$/;
export const VARIABLE_VALUE = /^[A-Za-z0-9_.:]+$/;
