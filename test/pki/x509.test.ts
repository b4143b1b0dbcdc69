import { expect, it, vi } from 'vitest';
import { createCertificateVerifier } from '../../src/authentication/certificates/certificate-verifier.js';

vi.mock('node:module', () => ({
  createRequire: () => () => {
    throw new Error("Cannot find module '@peculiar/x509'");
  },
}));

it('where @peculiar/x509 cannot be loaded no verifier is made, and the error says why', () => {
  expect(() => createCertificateVerifier({ authorities: '' })).toThrow("Cannot find module '@peculiar/x509'");
});
