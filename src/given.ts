type Given<Options> = {
  readonly [Name in keyof Options as undefined extends Options[Name] ? never : Name]: Options[Name];
} & {
  readonly [Name in keyof Options as undefined extends Options[Name] ? Name : never]?: Exclude<
    Options[Name],
    undefined
  >;
};

/** The same options without those that are undefined. */
export function given<Options extends object>(options: Options): Given<Options> {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as Given<Options>;
}
