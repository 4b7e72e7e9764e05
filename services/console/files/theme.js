// Light, dark, or as the system has it. Runs before the page is drawn, so that it does not flash.

(() => {
  const NEXT = { auto: 'light', light: 'dark', dark: 'auto' };
  const SIGN = { auto: '◐', light: '☀', dark: '☾' };
  let theme = 'auto';
  try {
    theme = NEXT[localStorage.getItem('theme')] ? localStorage.getItem('theme') : 'auto';
  } catch { /* Storage may be forbidden; then the choice lives as long as the page. */ }

  const apply = () => {
    if (theme === 'auto') document.documentElement.removeAttribute('data-theme');
    else document.documentElement.dataset.theme = theme;
    const button = document.querySelector('#theme');
    if (!button) return;
    button.textContent = SIGN[theme];
    button.setAttribute('aria-label', `Theme: ${theme}. Change it`);
    button.title = `Theme: ${theme}`;
  };

  apply();
  document.addEventListener('DOMContentLoaded', () => {
    apply();
    document.querySelector('#theme').onclick = () => {
      theme = NEXT[theme];
      try {
        localStorage.setItem('theme', theme);
      } catch { /* See above. */ }
      apply();
    };
  });
})();
