// What the page says, in both languages.
export const words = {
  en: {
    live: "live", email: "E-mail", password: "Password", more: "More", company: "Company (short name)",
    code: "Code of the second factor", enter: "Log in", deal: "Deal", noDeal: "None", spoken: "Spoken language",
    file: "Recording instead of the microphone",
    hint: "Tell everybody on the call that it is recorded. On a phone call the microphone hears your side.",
    begin: "Begin", share: "You talk", pace: "Words a minute", monologue: "Longest monologue", mood: "Customer's mood", moodOfAll: "Mood",
    transcript: "What is said", suggestions: "Suggestions", ask: "Ask", end: "End the call", seller: "You",
    customer: "Customer", unknown: "Speaker", accept: "Useful", dismiss: "Not now", listening: "Listening",
    away: "Connection lost, coming back …", ending: "Hearing the rest …", over: "The call is kept: ", none: "Nothing was kept: ",
    other: "Português", idle: "", rising: "better", falling: "worse", objection: "Objection",
  },
  pt: {
    live: "ao vivo", email: "E-mail", password: "Senha", more: "Mais", company: "Empresa (nome curto)",
    code: "Código do segundo fator", enter: "Entrar", deal: "Negócio", noDeal: "Nenhum", spoken: "Idioma falado",
    file: "Gravação em vez do microfone",
    hint: "Avise a todos na chamada que ela é gravada. Ao telefone, o microfone ouve o seu lado.",
    begin: "Começar", share: "Você fala", pace: "Palavras por minuto", monologue: "Monólogo mais longo", mood: "Humor do cliente", moodOfAll: "Humor",
    transcript: "O que é dito", suggestions: "Sugestões", ask: "Perguntar", end: "Encerrar a chamada", seller: "Você",
    customer: "Cliente", unknown: "Voz", accept: "Útil", dismiss: "Agora não", listening: "Ouvindo",
    away: "Conexão perdida, voltando …", ending: "Ouvindo o resto …", over: "A chamada foi guardada: ", none: "Nada foi guardado: ",
    other: "English", idle: "", rising: "melhor", falling: "pior", objection: "Objeção",
  },
};
