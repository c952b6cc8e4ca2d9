import './base.css';
import './sidebar.css';
import './review.css';
import './diff.css';
