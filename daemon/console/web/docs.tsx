// The reader of the contract at /docs; it needs no sign-in.
import { render } from "preact";
import "./styles/docs.css";
import "./app/theme";
import { Reference } from "./pages/reference";

render(<Reference />, document.body);
