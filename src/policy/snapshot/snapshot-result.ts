/** What became of an attempt to read or to write a snapshot; `layers` are those that it is about. */
export type SnapshotResult =
  | {
      readonly operation: 'restore';
      /** `refused`: the file, or these of its layers, were not believed. `missing`: there is no file. */
      readonly result: 'success' | 'refused' | 'missing';
      /** One line, which names the file. */
      readonly message: string;
      readonly layers: readonly string[];
    }
  | {
      readonly operation: 'write';
      readonly result: 'success';
      readonly message?: undefined;
      readonly layers: readonly string[];
    }
  | {
      readonly operation: 'write';
      readonly result: 'failure';
      /** One line, which names the file. */
      readonly message: string;
      readonly layers: readonly string[];
    };
