// Generates the types for openapi-fetch; bytes are Blobs, as its documentation has it.
import { writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import openapiTS, { astToString } from "openapi-typescript";
import ts from "typescript";

const [, , description, output] = process.argv;
const blob = ts.factory.createTypeReferenceNode("Blob");
const types = await openapiTS(pathToFileURL(description), {
  transform: (schema) => (schema.format === "binary" ? blob : undefined),
});
writeFileSync(output, astToString(types));
