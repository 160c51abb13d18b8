import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';

/** A file of the page. */
export interface PageFile {
  type: string;
  body: string | Buffer;
}

/**
 * The page can load from and send to this server only, whatever the document contains. Swagger UI needs
 * `data:` for the icons in its style sheet. It sets element styles by script, which `style-src` allows.
 */
export const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Addresses are relative, so that the page works below any path, even one that a proxy strips. */
export const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>infer API</title>
<link rel="icon" type="image/png" href="docs/favicon-32x32.png" sizes="32x32">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<noscript>This page needs JavaScript. The document itself: <a href="openapi.json">openapi.json</a></noscript>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
`;

/** Sends a token entered under Authorize with the document's request too, so that it shows its models. */
const START = `let token;
const again = () => ({
  statePlugins: {
    auth: {
      wrapActions: {
        authorize: (authorize) => (payload) => {
          const done = authorize(payload);
          token = payload.bearer?.value;
          ui.specActions.download();
          return done;
        },
        logout: (logout) => (names) => {
          const done = logout(names);
          token = undefined;
          ui.specActions.download();
          return done;
        },
      },
    },
  },
});
const ui = SwaggerUIBundle({
  url: new URL('openapi.json', document.baseURI).href,
  dom_id: '#api',
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  filter: true,
  tryItOutEnabled: false,
  validatorUrl: null,
  plugins: [again],
  requestInterceptor: (request) => {
    if (request.loadSpec && token !== undefined) request.headers.Authorization = 'Bearer ' + token;
    return request;
  },
});
`;

const OF_SWAGGER_UI: Readonly<Record<string, string>> = {
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'swagger-ui.css': 'text/css; charset=utf-8',
  'favicon-32x32.png': 'image/png',
};

/** A file of the page by its name; undefined if unknown. Not cached, because it is rarely requested. */
export async function pageFile(name: string): Promise<PageFile | undefined> {
  if (name === 'start.js') return { type: 'text/javascript; charset=utf-8', body: START };
  const type = Object.hasOwn(OF_SWAGGER_UI, name) ? OF_SWAGGER_UI[name] : undefined;
  if (type === undefined) return undefined;
  const root = path.dirname(createRequire(import.meta.url).resolve('@fastify/swagger-ui/package.json'));
  return { type, body: await readFile(path.join(root, 'static', name)) };
}
