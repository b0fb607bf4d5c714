export const json = "Content-Type: application/json";

export const key = "sk-cnry-provider-0123456789";

export const other = "sk-cnry-other-0123456789";

export const clientKey = "cnry-client-0123456789";

export const provider = ({ url }, secret, rest = {}) => ({ url, auth: { key: secret }, ...rest });

export const withProviders = (providers) =>
  `all.providers(${JSON.stringify(providers)}), all.direct(), all.alias({ fast: { targets: [{ model: "m" }] } }), all.model(),`;
