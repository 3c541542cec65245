// What the package offers to strangers.
export * from './net/address.ts';
export * from './net/interval.ts';
export * from './net/prefix.ts';
